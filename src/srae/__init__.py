"""srae: train, compare and use super-resolution autoencoders.

A YAML becomes a run folder, everything else reads run folders.  Importing this
package costs nothing: no torch, no numpy; ask the module you need.
"""

__version__ = "0.1.0"
