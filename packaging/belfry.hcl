# All settings: docs/operations.md. `belfry operator config check /etc/belfry` says what is wrong with this file.

storage "rocksdb" {
  path = "/var/lib/belfry/data"
}

listener "tcp" {
  address       = "127.0.0.1:8200"
  tls_cert_file = "/etc/belfry/tls.crt"
  tls_key_file  = "/etc/belfry/tls.key"
}

# Where clients reach this server.
api_addr = "https://127.0.0.1:8200"

log_format = "json"
