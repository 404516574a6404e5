//! Pictures without `GStreamer`: scaling, colour, JPEG.
