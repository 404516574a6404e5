//! What crosses NATS: subjects, metadata, feedback, status; publisher and subscriber.
