"""What it costs to carry frames from files to a sink, beside a rival, bare decoders and other ways to a process."""
