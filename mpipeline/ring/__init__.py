"""The frame ring: slots of one stream in shared memory, lent by bits."""
