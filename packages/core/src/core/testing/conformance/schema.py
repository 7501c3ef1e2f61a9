"""The tables that the service was written for."""

from core.services import Service


class Schema:
    async def test_models_and_migrated_schema_are_equal(self, service: Service, database_url: str) -> None:
        assert await service.migrations.check(database_url) == []
