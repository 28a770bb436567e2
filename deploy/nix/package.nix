# Ostiary as a program of nixpkgs: pkgs.callPackage ./package.nix { }. What it depends on is read from pyproject.toml.
{ lib, python3Packages }:

let
  declared = (builtins.fromTOML (builtins.readFile ../../pyproject.toml)).project;
  project = import ../../delivery/nix/project.nix ../..;
  # "uvloop>=0.21; marker" is python3Packages.uvloop
  package = requirement: python3Packages.${builtins.head (builtins.match "([A-Za-z0-9_-]+).*" requirement)};
in
python3Packages.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  pyproject = true;
  src = import ../../delivery/nix/tree.nix {
    name = "ostiary-source";
    base = ../..;
    kept = [ "pyproject.toml" "README.md" "LICENSE" "src/ostiary" ];
  };
  build-system = [ python3Packages.hatchling ];
  dependencies = map package declared.dependencies;
  pythonImportsCheck = [ "ostiary" ];
  meta = {
    inherit (declared) description;
    license = lib.licenses.mit;
    mainProgram = "ostiary";
  };
}
