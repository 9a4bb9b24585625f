//! Whatever a peer sends, nothing crashes, memory stays bounded, honest clients are undisturbed.
