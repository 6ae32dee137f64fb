"""What a GPU does with frames and models, beside what its memory, the way to it and the processor allow."""
