"""Training of victims: settings, augmentation on the device, and one short training loop."""
