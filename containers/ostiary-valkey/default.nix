# The image of container.toml for people who have Nix; see docs/how-to/build-with-nix.md.
import ../../delivery/nix/image.nix {
  folder = ./.;
  version = "8.1.1";
}
