"""A Query is settled when its module is imported: what cannot work fails there."""

import re

import pytest
from pydantic import BaseModel
from sqlalchemy import (
    ARRAY,
    Integer,
    Numeric,
    String,
    any_,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
)

from core.database import Query

things = table("things", column("id", Integer), column("name", String), column("price", Numeric))
others = table("others", column("id", Integer))


class Thing(BaseModel):
    id: int
    name: str = "unnamed"


def test_a_required_field_without_a_column_is_refused():
    with pytest.raises(TypeError, match=r"Thing needs \['id'\], which the SELECT does not give"):
        Query(select(things.c.name), Thing)


def test_a_field_with_a_default_needs_no_column():
    assert Query(select(things.c.id), Thing).sql == "SELECT things.id \nFROM things"


@pytest.mark.parametrize("statement", [select(things.c.id, others.c.id), select(things.c.id, func.count())])
def test_columns_that_nobody_can_tell_apart_are_refused(statement):
    with pytest.raises(TypeError, match="label them"):
        Query(statement, Thing)


def test_a_list_as_a_parameter_is_refused():
    with pytest.raises(TypeError, match="any_"):
        Query(select(things.c.id).where(things.c.id.in_(bindparam("ids", expanding=True))), Thing)


def test_values_in_the_statement_are_its_defaults():
    query = Query(select(things.c.id).where(things.c.name.in_(["a", "b"])).limit(3), Thing)
    # In the order of the SQL, whichever it is.
    numbers = [int(number) for number in re.findall(r"\$(\d)", query.sql)]
    assert [query.arguments({})[number - 1] for number in numbers] == ["a", "b", 3]


def test_parameters_stand_in_the_order_of_the_sql():
    by_both = select(things.c.id).where(things.c.name == bindparam("name"), things.c.id == bindparam("id"))
    query = Query(by_both, Thing)
    assert "name = $1" in query.sql
    assert query.arguments({"id": 1, "name": "a"}) == ["a", 1]


def test_an_array_is_one_parameter():
    ids = bindparam("ids", type_=ARRAY(Integer))
    query = Query(select(things.c.id).where(things.c.id == any_(ids)), Thing)
    assert query.arguments({"ids": [1, 2]}) == [[1, 2]]


@pytest.mark.parametrize("given", [{}, {"id": 1, "other": 2}, {"other": 2}])
def test_other_parameters_than_the_statements_are_refused(given):
    query = Query(select(things.c.id).where(things.c.id == bindparam("id")), Thing)
    with pytest.raises(TypeError, match="wanted"):
        query.arguments(given)


def test_a_column_of_numbers_in_an_array_can_be_read():
    query = Query(select(literal(1).label("id"), literal_column("prices", ARRAY(Numeric)).label("prices")), Thing)
    assert isinstance(query, Query)
