"""How an image runs: as nobody special, on a file system that it cannot write, and as its arguments tell it."""

from engine import docker, within

LOCKED_DOWN = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
FOR_EVERYBODY = {"/tmp", "/var/tmp", "/run/lock"}  # noqa: S108 - they are of the image


def test_it_runs_as_a_user_who_may_write_nothing_of_it(image: str):
    assert within(image, "id", "-u").stdout.strip() == "10001"
    writable = within(image, "find", "/", "-xdev", "-writable", "-not", "-type", "l", check=False).stdout.split()
    assert set(writable) <= FOR_EVERYBODY


def test_what_follows_the_image_is_its_command(image: str, service: str):
    local = f"--env={service.upper()}_ENVIRONMENT=local"
    database = f"--env={service.upper()}_DATABASE__URL=postgresql://somebody@somewhere/{service}"
    settings = docker("run", "--rm", *LOCKED_DOWN, local, database, image, "settings").stdout
    assert f"{service.upper()}_SERVER__PORT=8000" in settings
    assert f"Usage: {service}" in docker("run", "--rm", *LOCKED_DOWN, image, "migrate", "--help").stdout


def test_without_a_configuration_it_says_what_is_missing_and_ends(image: str, service: str):
    refused = docker("run", "--rm", *LOCKED_DOWN, image, check=False)
    assert refused.returncode == 78
    assert f"{service.upper()}_DATABASE__URL is missing" in refused.stderr


def test_the_service_is_process_1(image: str, service: str):
    seen = within(image, "sh", "-c", 'exec "$0" -c "import os; print(os.getpid())"', "python").stdout
    assert seen.strip() == "1"
