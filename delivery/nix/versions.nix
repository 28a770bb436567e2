# Versions of Debian's packages, as ostiary_delivery/debian/version.py reads them.
rec {
  # The version its authors gave: without epoch, Debian revision and +dfsg. "1:7.0~rc1+dfsg-1" is "7.0~rc1".
  upstream = text: unpacked (withoutRevision (withoutEpoch text));

  withoutEpoch = text: let found = builtins.match "[0-9]+:(.*)" text; in if found == null then text else builtins.head found;

  withoutRevision = text: let found = builtins.match "(.*)-[^-]*" text; in if found == null then text else builtins.head found;

  # Again while there is one: a match takes the last of several.
  unpacked = text:
    let found = builtins.match "(.*)[+~](dfsg|ds|repack).*" text;
    in if found == null then text else unpacked (builtins.head found);
}
