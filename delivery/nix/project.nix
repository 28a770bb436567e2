# Name and version of a Python project, read from its folder: a version in pyproject.toml, or the __version__ of the file
# that hatchling is told to read it from.
folder:

let
  pyproject = builtins.fromTOML (builtins.readFile (folder + "/pyproject.toml"));
  lines = builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile (folder + "/${path}")));
  path = pyproject.tool.hatch.version.path or (throw "${toString folder}/pyproject.toml says neither a version nor where it is");
  found = builtins.filter (one: one != null) (map (builtins.match "__version__ = [\"']([^\"']+)[\"'].*") lines);
in
{
  inherit (pyproject.project) name;
  version = pyproject.project.version
    or (if found == [ ] then throw "${path} has no line __version__ = \"...\"" else builtins.head (builtins.head found));
}
