//! What is in force for a run: the options, the layers that set them, codexline's config file.

pub mod accounts;
pub mod file;
pub mod layers;
pub mod options;
pub mod settings;
pub mod values;
