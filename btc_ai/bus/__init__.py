"""The message bus: msgpack envelopes over ZeroMQ. Knows nothing of training."""
