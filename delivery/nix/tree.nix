# Some files and folders of a folder as a store path: what is not named does not change it, and bytecode never does.
{ name, base, kept }:

let
  starts = beginning: text: builtins.substring 0 (builtins.stringLength beginning) text == beginning;
  within = path: builtins.substring (builtins.stringLength (toString base) + 1) (-1) (toString path);
in
builtins.path {
  inherit name;
  path = base;
  filter = path: type:
    let relative = within path;
    in baseNameOf path != "__pycache__"
      && builtins.any (one: relative == one || starts "${one}/" relative || starts "${relative}/" one) kept;
}
