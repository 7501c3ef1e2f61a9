#!/bin/bash
# Whether the service in this container is ready: asked every few seconds, so no Python is started for it.
set -eu
port=${SERVICE^^}_SERVER__PORT
exec 3<>"/dev/tcp/127.0.0.1/${!port:-8000}"
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
