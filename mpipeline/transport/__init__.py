"""Messages between the processes of one run: addresses, encoding, sockets. The only user of ZeroMQ."""
