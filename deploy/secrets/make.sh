#!/bin/sh
# Makes each secret that is not there yet; what is there, is kept: make.sh users billing
#
# /secrets/<owner> is the secrets directory of one container, which nobody else mounts.
set -eu
umask 077

# A file of a container that runs as this user.
keep() { # owner, name, uid; its content on standard input
  [ -s "/secrets/$1/$2" ] && return
  cat >"/secrets/$1/$2.new"
  chown "$3" "/secrets/$1/$2.new"
  mv "/secrets/$1/$2.new" "/secrets/$1/$2"
}

random() {
  head -c 36 /dev/urandom | base64 | tr '+/' '-_'
}

random | keep postgres postgres_password 0
for service; do
  for role in "$service" "$service-migrate"; do
    random | keep postgres "$role" 0
    printf 'postgresql://%s:%s@postgres:5432/%s\n' "$role" "$(cat "/secrets/postgres/$role")" "$service" |
      keep "$role" "${service}_database__url" 10001
  done
  random | keep nats "$service" 0
  printf 'nats://%s:%s@nats:4222\n' "$service" "$(cat "/secrets/nats/$service")" | keep "$service" "${service}_events__url" 10001
  random | keep "$service" "${service}_secret_key" 10001
  chown 10001 "/secrets/$service" "/secrets/$service-migrate" "/mail/$service"
done
random | keep billing billing_webhooks__secret 10001

# One user a service, with what it needs and no more.
{
  echo 'authorization { users: ['
  for service; do
    cat <<EOT
  {
    user: $service, password: "$(cat "/secrets/nats/$service")"
    permissions: {
      publish: ["events.$service.>", "\$JS.API.STREAM.INFO.events", "\$JS.API.STREAM.CREATE.events", "\$JS.API.CONSUMER.CREATE.events.>",
        "\$JS.API.CONSUMER.DELETE.events.>", "\$JS.API.CONSUMER.MSG.NEXT.events.>"]
      subscribe: ["_INBOX.>"]
    }
  }
EOT
  done
  echo '] }'
} >/secrets/nats/authorization.conf
