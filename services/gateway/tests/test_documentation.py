"""The one document of all services: renamed where names can collide, and nowhere else."""

from gateway.documentation import merge

PET = {
    "type": "object",
    "properties": {
        "tags": {"type": "array"},
        "operationId": {"type": "string"},
        "owner": {"$ref": "#/components/schemas/Owner"},
    },
    "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}},
    "examples": [{"tags": ["tame"]}],
}
DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {"/v1/pets": {"get": {"operationId": "pets_list", "tags": ["pets"], "security": [{"token": []}]}}},
    "components": {
        "schemas": {"Pet": PET},
        "securitySchemes": {"token": {"type": "http"}},
        "headers": {"X-Request-ID": {"schema": {"type": "string"}}},
        "responses": {
            "Problem": {
                "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            }
        },
    },
}


def test_operations_carry_the_name_of_their_service():
    merged = merge({"zoo": DOCUMENT, "home": DOCUMENT}, title="All", version="1")
    operations = [merged["paths"][f"/{service}/v1/pets"]["get"] for service in ("zoo", "home")]
    assert [each["operationId"] for each in operations] == ["zoo_pets_list", "home_pets_list"]
    assert operations[0]["tags"] == ["zoo: pets"]
    assert operations[0]["security"] == [{"token": []}]


def test_a_schema_keeps_its_words_and_its_references_follow():
    pet = merge({"zoo": DOCUMENT}, title="All", version="1")["components"]["schemas"]["zoo.Pet"]
    assert pet["properties"] == {**PET["properties"], "owner": {"$ref": "#/components/schemas/zoo.Owner"}}
    assert pet["discriminator"]["mapping"] == {"cat": "#/components/schemas/zoo.Cat"}
    assert pet["examples"] == PET["examples"]


def test_signing_in_is_asked_for_once_and_a_header_explained_once():
    merged = merge({"zoo": DOCUMENT, "home": DOCUMENT}, title="All", version="1")
    assert list(merged["components"]["securitySchemes"]) == ["token"]
    assert list(merged["components"]["headers"]) == ["X-Request-ID"]
    response = merged["components"]["responses"]["home.Problem"]
    assert response["headers"] == {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    assert response["content"]["application/json"] == {"schema": {"$ref": "#/components/schemas/home.Pet"}}
