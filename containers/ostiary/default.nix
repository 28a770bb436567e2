# The image of container.toml for people who have Nix; see docs/how-to/build-with-nix.md.
import ../../delivery/nix/image.nix {
  folder = ./.;
  version = "0.1.0";
  sources = [ "pyproject.toml" "README.md" "LICENSE" "src/ostiary" ]; # of our own wheel
}
