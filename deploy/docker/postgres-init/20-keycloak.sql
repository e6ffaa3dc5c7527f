-- Keycloak's own database: no service's role can connect to it, nor Keycloak's to theirs.
\set ON_ERROR_STOP on
\getenv keycloak_password KEYCLOAK_DB_PASSWORD
\if :{?keycloak_password}
\else
  \warn KEYCLOAK_DB_PASSWORD is not set
  SELECT 1/0 AS keycloak_password_missing;
\endif
CREATE ROLE keycloak LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'keycloak_password';
CREATE DATABASE keycloak OWNER keycloak;
REVOKE ALL ON DATABASE keycloak FROM PUBLIC;
