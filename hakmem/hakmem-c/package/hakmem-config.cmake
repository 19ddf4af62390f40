# Defines hakmem::hakmem, the shared library, and hakmem::static. Link one of them first.
get_filename_component(_hakmem_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET hakmem::hakmem)
  find_package(Threads REQUIRED)

  add_library(hakmem::hakmem SHARED IMPORTED)
  set_target_properties(hakmem::hakmem PROPERTIES
    IMPORTED_LOCATION "${_hakmem_prefix}/lib/libhakmem.so"
    IMPORTED_SONAME "libhakmem.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_hakmem_prefix}/include"
    INTERFACE_LINK_OPTIONS "-Wl,-u,malloc")

  add_library(hakmem::static STATIC IMPORTED)
  set_target_properties(hakmem::static PROPERTIES
    IMPORTED_LOCATION "${_hakmem_prefix}/lib/libhakmem.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_hakmem_prefix}/include"
    INTERFACE_LINK_OPTIONS
      "-Wl,-u,malloc;$<$<LINK_LANGUAGE:CXX>:-Wl,-u,_ZSt17__throw_bad_allocv>"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS}")
endif()
