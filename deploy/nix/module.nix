# A NixOS module that runs Ostiary as a hardened service; see docs/how-to/build-with-nix.md.
{ config, lib, pkgs, ... }:

let
  inherit (lib) mkEnableOption mkIf mkOption types;
  cfg = config.services.ostiary;
  json = pkgs.formats.json { };
  listen = what: default: mkOption {
    type = types.str;
    inherit default;
    description = "Address of ${what}, as host:port.";
  };
  # A file of settings is YAML, and JSON is YAML; what the options below say comes first.
  file = json.generate "ostiary.yml" (cfg.settings // {
    data_dir = cfg.dataDir;
    listen = (cfg.settings.listen or { }) // cfg.listen;
  });
  port = lib.toInt (lib.last (lib.splitString ":" cfg.listen.http));
in
{
  options.services.ostiary = {
    enable = mkEnableOption "Ostiary, an identity provider";
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "Ostiary itself.";
    };
    settings = mkOption {
      inherit (json) type;
      default = { };
      example = { hosts = "id.example.org"; postgresql.host = "/run/postgresql"; };
      description = "Settings by the names of docs/settings.md, a dot being a level. Everybody can read them: no secrets.";
    };
    secrets = mkOption {
      type = types.attrsOf types.path;
      default = { };
      example = { OSTIARY_SECRET_KEY = "/run/keys/ostiary"; };
      description = "Files with secret settings, by the variable each is for. systemd shows them to this service alone.";
    };
    environmentFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "File of variables, NAME=value on each line, outside the store.";
    };
    dataDir = mkOption {
      type = types.path;
      default = "/var/lib/ostiary";
      description = "Folder of the database (SQLite) and of the secret key.";
    };
    listen = {
      http = listen "pages and protocols" "127.0.0.1:9000";
      https = listen "the same over TLS (off: nowhere)" "off";
      metrics = listen "metrics" "127.0.0.1:9300";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the firewall lets others reach the port of listen.http.";
    };
  };

  config = mkIf cfg.enable {
    networking.firewall.allowedTCPPorts = lib.optional cfg.openFirewall port;
    users.groups.ostiary = { };
    users.users.ostiary = { isSystemUser = true; group = "ostiary"; };
    systemd.tmpfiles.rules = [ "d ${cfg.dataDir} 0700 ostiary ostiary -" ];
    systemd.services.ostiary = {
      description = "Ostiary, identity provider";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "postgresql.service" ];
      environment = {
        OSTIARY_CONFIG = toString file;
        PYTHONDONTWRITEBYTECODE = "1";
        PYTHONUNBUFFERED = "1";
      } // builtins.mapAttrs (name: _: "file://%d/${name}") cfg.secrets;
      serviceConfig = import ./hardening.nix // {
        Type = "exec";
        ExecStart = "${lib.getExe cfg.package} serve";
        User = "ostiary";
        Group = "ostiary";
        EnvironmentFile = lib.optional (cfg.environmentFile != null) cfg.environmentFile;
        LoadCredential = map (name: "${name}:${cfg.secrets.${name}}") (builtins.attrNames cfg.secrets);
        ReadWritePaths = [ cfg.dataDir ];
        Restart = "on-failure";
        RestartSec = 3;
        TimeoutStartSec = 90; # the first start makes the database
        TimeoutStopSec = 30; # work in flight has 20 seconds to end
      };
    };
  };
}
