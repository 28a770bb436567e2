{
  description = "Ostiary: container images that are the same bit for bit with and without Nix, and a NixOS module";

  # No inputs: container.lock names every byte of an image, and nothing here needs nixpkgs.
  outputs = { self }:
    let
      # Settings are those of delivery/nix/image.nix. A pure evaluation has to be told a Python of the store.
      images = settings: {
        ostiary = import ./containers/ostiary settings;
        ostiary-valkey = import ./containers/ostiary-valkey settings;
      };
    in
    {
      lib = { inherit images; };
      packages.x86_64-linux = images { } // { default = self.packages.x86_64-linux.ostiary; };
      nixosModules.default = import ./deploy/nix/module.nix;
    };
}
