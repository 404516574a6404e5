//! The whole process against real servers: NATS, RTSP cameras, files.

mod support;
