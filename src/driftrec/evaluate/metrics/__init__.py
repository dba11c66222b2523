"""Image quality metrics: each is one function or network, tested on cases computed by hand and on published figures."""
