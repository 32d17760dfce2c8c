//! JPEG seen from outside: where a picture begins and ends, how large it is, whether it is whole. Nothing is decoded.
