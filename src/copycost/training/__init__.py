"""Training victims: settings, augmentation on the device, and one loop to read in a sitting."""
