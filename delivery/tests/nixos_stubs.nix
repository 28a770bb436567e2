# As much of NixOS as deploy/nix/module.nix asks for: options become their defaults or the given values, nothing is
# merged. `types` check values in the plainest way, so that a wrong default is seen. `packages` are names of Python
# packages that nixpkgs is taken to have.
{ module, given, packages }:

let
  checked = name: ok: { inherit name; check = ok; };
  lib = {
    mkEnableOption = description: lib.mkOption { type = lib.types.bool; default = false; inherit description; };
    mkOption = option: option // { _type = "option"; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    literalExpression = text: { _type = "literal"; inherit text; };
    optional = condition: one: if condition then [ one ] else [ ];
    last = list: builtins.elemAt list (builtins.length list - 1);
    splitString = mark: text: builtins.filter builtins.isString (builtins.split mark text);
    toInt = builtins.fromJSON;
    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    licenses.mit = "mit";
    types = {
      bool = checked "bool" builtins.isBool;
      str = checked "str" builtins.isString;
      path = checked "path" (one: builtins.substring 0 1 (toString one) == "/");
      package = checked "package" (one: one ? outPath);
      nullOr = of: checked "nullOr" (one: one == null || of.check one);
      attrsOf = of: checked "attrsOf" (one: builtins.isAttrs one && builtins.all of.check (builtins.attrValues one));
    };
  };
  python3Packages = builtins.listToAttrs (map
    (name: { inherit name; value = "python-${name}"; })
    (packages ++ [ "hatchling" ])) // {
    buildPythonApplication = told: { inherit told; inherit (told) meta; outPath = "/nix/store/stub-${told.pname}-${told.version}"; };
  };
  pkgs = {
    callPackage = path: more: import path ({ inherit lib python3Packages; } // more);
    formats.json = _: {
      type = checked "json" builtins.isAttrs;
      generate = name: value: builtins.toFile name (builtins.toJSON value);
    };
  };
  decided = where: options: values:
    if options._type or "" == "option" then
      let value = if values == null then options.default else values;
      in assert options.type.check value || throw "${where} is no ${options.type.name}"; value
    else builtins.mapAttrs (name: one: decided "${where}.${name}" one (if values == null then null else values.${name} or null)) options;
  found = import module { inherit lib pkgs; config.services.ostiary = settings; };
  settings = decided "services.ostiary" found.options.services.ostiary given;
in
assert builtins.all (name: found.options.services.ostiary ? ${name}) (builtins.attrNames given);
{
  config = if found.config.condition then found.config.content else { };
  package = builtins.removeAttrs settings.package.told [ "src" ];
}
