//! Real encoders publish and real players play: OBS, GStreamer, librtmp, VLC, mpv.
