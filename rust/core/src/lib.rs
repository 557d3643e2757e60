//! The engine: a serialisable run, a driver that waits, and what a run may ask of the world.
