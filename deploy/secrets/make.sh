#!/bin/sh
# Gives each container its secrets: make.sh users billing
#
# /secrets/<owner> is the secrets directory of one container, which no other mounts. What an operator gives in
# /given/<owner>/<name> is taken over each time. Of the rest, what is random is made once, and what follows from it is
# written each time: a password that was replaced is replaced in addresses, too.
set -eu
umask 077

# Whom services, the bus and the edge run as.
someone=10001

# Standard input becomes a secret, whole or not at all. A name with a dot in front is no setting to a service.
put() { # owner, name, user
  new=/secrets/$1/.$2
  cat >"$new"
  [ -s "$new" ] || { echo "$1/$2 is empty" >&2; exit 1; }
  chmod 400 "$new"
  chown "$3" "$new"
  sync "$new"
  mv "$new" "/secrets/$1/$2"
}

random() { # owner, name, user
  [ -e "/secrets/$1/$2" ] || head -c 36 /dev/urandom | base64 | tr '+/' '-_' | put "$@"
}

following() { # owner, name, user; what it is, on standard input
  if [ -e "/given/$1/$2" ]; then cat >/dev/null; else put "$@"; fi
}

# A password as it stands in an address and between quotes.
password() { # owner, name
  case $(cat "/secrets/$1/$2") in
  *[!A-Za-z0-9._~-]*)
    echo "$1/$2 may have letters, digits, '.', '_', '~' and '-' alone" >&2
    exit 1
    ;;
  esac
  cat "/secrets/$1/$2"
}

for file in /given/*/*; do
  [ -f "$file" ] || continue
  owner=$(basename "$(dirname "$file")")
  case $owner in postgres) user=0 ;; *) user=$someone ;; esac
  [ -d "/secrets/$owner" ] || { echo "$owner is nobody who has secrets" >&2; exit 1; }
  put "$owner" "$(basename "$file")" $user <"$file"
done

random postgres postgres_password 0
for service; do
  for role in "$service" "$service-migrate"; do
    random postgres "$role" 0
    password=$(password postgres "$role")
    echo "postgresql://$role:$password@postgres:5432/$service" | following "$role" "${service}_database__url" $someone
  done
  random nats "$service" $someone
  password=$(password nats "$service")
  echo "nats://$service:$password@nats:4222" | following "$service" "${service}_events__url" $someone
  printf '%s\n' "$MAIL_URL" | following "$service" "${service}_mail__url" $someone
  random "$service" "${service}_secret_key" $someone
done
for secret in $SECRETS; do
  random "${secret%/*}" "${secret#*/}" $someone
done

# A user a service, who may do what it does and nothing else.
{
  echo 'authorization: { users: ['
  for service; do
    cat <<EOT
  {
    user: $service, password: "$(cat "/secrets/nats/$service")"
    permissions: {
      publish: [
        "events.$service.>", "\$JS.API.STREAM.INFO.events", "\$JS.API.STREAM.CREATE.events",
        "\$JS.API.CONSUMER.CREATE.events.>", "\$JS.API.CONSUMER.DELETE.events.>", "\$JS.API.CONSUMER.MSG.NEXT.events.>"
      ]
      subscribe: ["_INBOX.>"]
    }
  }
EOT
  done
  echo '] }'
} | put nats authorization.conf $someone

chown $someone /secrets/nats /writable/*
for service; do
  chown $someone "/secrets/$service" "/secrets/$service-migrate"
done
chmod 700 /secrets/* /writable/*
