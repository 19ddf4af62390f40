//! Empty: the package exists for its dependencies, whose C and C++ sources `build` compiles.
