//! Frames against those of others.
