//! The only system calls: sockets, processes, signals, descriptor passing, shared memory, privileges.
//!
//! Everything above is safe code; each `unsafe` block here says which fact makes it sound and who keeps it.
//! Linux is the platform; another one would be added here and nowhere else.

pub mod action;
pub mod activation;
pub mod backlog;
pub mod beneath;
pub mod channel;
pub mod child;
pub mod clock;
pub mod dial;
pub mod embedded;
pub mod fifo;
pub mod file;
pub mod fork;
pub mod lock;
pub mod memory;
pub mod net;
pub mod notify;
pub mod poller;
pub mod privileges;
pub mod process;
pub mod shell;
pub mod shm;
pub mod signal;
pub mod thread;
pub mod title;
pub mod users;
pub mod watch;
pub mod world;
