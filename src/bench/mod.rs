//! `framecast bench`: a crowd of viewers in one loop of its own. Stands on [`crate::wire`] alone.
