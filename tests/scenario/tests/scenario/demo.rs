//! `weir up --demo`: one command, and the main job runs.
