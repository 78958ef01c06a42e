//! One Jupyter connection file; a fleet of kernels behind it.

pub mod lua;
