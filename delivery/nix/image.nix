# One container of containers/ as a derivation, without nixpkgs: our builder runs over the files of container.lock, each
# of which is a store path of its own, known by the lock's hash. The image is the one that `make image` builds.
#
#   folder    containers/<name>, with container.toml and container.lock
#   version   as default.nix says it; it must be container.toml's
#   sources   files and folders of the repository that the project's own wheel is built from
{ folder, version, sources ? [ ] }:

# Settings of this machine, for --arg and --argstr; none of them is in the image.
#   python    the program that runs the builder, Python 3.11 or newer with deflate, packaging, pip (when wheels are to be
#             fetched) and hatchling (when the project's wheel is built). Not given: DELIVERY_PYTHON, else .venv as
#             `make image` made it
#   inputs    folders with files of the lock, by name or by hash, separated by colons. Not given: DELIVERY_INPUTS.
#             What is not there is fetched: Debian's packages from DELIVERY_ARCHIVE and DELIVERY_SECURITY_ARCHIVE,
#             wheels from wherever pip is set up to find them
{
  python ? builtins.getEnv "DELIVERY_PYTHON",
  inputs ? builtins.getEnv "DELIVERY_INPUTS",
}:

let
  inherit (import ./versions.nix) upstream;
  tree = import ./tree.nix;

  root = folder + "/../..";
  name = baseNameOf folder;
  where = "containers/${name}";
  declared = builtins.fromTOML (builtins.readFile (folder + "/container.toml"));
  lock = builtins.fromJSON (builtins.readFile (folder + "/container.lock"));

  # --- versions -------------------------------------------------------------------------------------------------------

  project = import ./project.nix (root + "/${declared.wheels.project}");
  named = wanted: all: builtins.filter (one: one.name == wanted) all;

  # What the lock packages for one [[assert]] of container.toml; the project's own wheel is not locked, it is built.
  packagedFor = promise:
    if promise ? deb then found "deb" promise.deb (named promise.deb lock.debs)
    else if declared ? wheels && project.name == promise.wheel then project
    else found "wheel" promise.wheel (named promise.wheel lock.wheels);
  found = kind: wanted: all:
    if all == [ ] then throw "${where}/container.lock has no ${kind} ${wanted}, which container.toml speaks of: lock again"
    else { inherit (builtins.head all) name version; };

  agrees = promise:
    let
      packaged = packagedFor promise;
      wanted = promise.equals or version;
      have = if promise ? deb && packaged.version != wanted then upstream packaged.version else packaged.version;
    in
    assert have == wanted || throw (
      "${where}: version drift: ${packaged.name} is packaged as ${packaged.version}, and declared is ${wanted}: raise "
      + (if promise ? equals then "its equals in container.toml"
         else "the version in default.nix, container.toml and service-versions.yaml") + ", or take back what moved it");
    true;

  # --- inputs ---------------------------------------------------------------------------------------------------------

  system =
    { amd64 = "x86_64-linux"; arm64 = "aarch64-linux"; }.${lock.architecture}
      or (throw "${where}/container.lock is for ${lock.architecture}, which is not known here");

  interpreter =
    let
      own = toString (root + "/.venv/bin/python");
      given = toString python;
      stored = if builtins.hasContext given then null else builtins.match "(${builtins.storeDir}/[^/]+)(/.*)" given;
    in
    # A path of the store that came as a plain text is made an input again: a sandbox shows only inputs.
    if stored != null then builtins.storePath (builtins.head stored) + builtins.elemAt stored 1
    else if given != "" then given
    else if builtins.pathExists own then own
    else throw "no Python to run the builder with: run `make image` once, set DELIVERY_PYTHON, or give --argstr python";

  definition = [ "${where}/container.toml" "${where}/container.lock" ];
  run = step: {
    inherit system;
    builder = interpreter;
    args = [ "-B" "-P" "-m" "ostiary_delivery.nix" step ];
    PATH = dirOf interpreter; # where Python finds itself, and with it its packages
    PYTHONPATH = tree { name = "ostiary-delivery"; base = ../src; kept = [ "ostiary_delivery" ]; };
    container = name;
  };

  files =
    map (one: { inherit (one) sha256; name = baseNameOf one.path; }) lock.debs
    ++ map (one: { inherit (one) sha256; name = one.file; }) lock.wheels;
  folders = builtins.filter (one: builtins.isString one && one != "") (builtins.split ":" (toString inputs));
  places = one: builtins.concatMap
    (place: [ "${place}/sha256/${builtins.substring 0 2 one.sha256}/${one.sha256}" "${place}/${one.sha256}" "${place}/${one.name}" ])
    folders;
  asPath = one:
    let
      label = builtins.replaceStrings [ "~" "%" ] [ "-" "-" ] one.name; # a store path has fewer letters than a version
      here = builtins.filter builtins.pathExists (places one);
    in
    if here == [ ] then fetched one label
    else checked one label (builtins.head here);
  checked = one: label: path:
    let found = builtins.hashFile "sha256" path;
    in
    assert found == one.sha256
      || throw "${one.name} is not what was locked: expected ${one.sha256}, found ${found} in ${path}";
    builtins.path { name = label; inherit path; inherit (one) sha256; recursive = false; };
  fetched = one: label: derivation (run "fetch" // {
    name = label;
    source = tree { name = "${name}-definition"; base = root; kept = definition; };
    wanted = one.sha256;
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = one.sha256;
    # Where things come from may differ from machine to machine; what they are may not.
    impureEnvVars = [
      "DELIVERY_ARCHIVE" "DELIVERY_SECURITY_ARCHIVE"
      "PIP_CERT" "PIP_CONFIG_FILE" "PIP_EXTRA_INDEX_URL" "PIP_FIND_LINKS" "PIP_INDEX_URL" "PIP_NO_INDEX" "SSL_CERT_FILE"
      "http_proxy" "https_proxy" "no_proxy"
    ];
  });
in

assert declared.version == version
  || throw "${where}: default.nix says version ${version}, and container.toml ${declared.version}";
assert builtins.all agrees (declared."assert" or [ ]);

derivation (run "build" // {
  inherit name;
  source = tree { name = "${name}-source"; base = root; kept = definition ++ sources; };
  inputs = builtins.toJSON (builtins.listToAttrs (map (one: { name = one.sha256; value = "${asPath one}"; }) files));
  allowedReferences = [ ]; # an image stands alone: a path of the store inside would be missing where it runs
})
