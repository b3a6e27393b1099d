# libwarren: the layers kernel and group (of base they use headers only) for those who embed the engine,
# as a static and as a shared library. Position-independent, so compiled apart from what the tools link.
get_property(kernel_sources GLOBAL PROPERTY warren_kernel_sources)
get_property(group_sources GLOBAL PROPERTY warren_group_sources)
add_library(libwarren_objects OBJECT ${kernel_sources} ${group_sources})
set_target_properties(libwarren_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_include_directories(libwarren_objects PRIVATE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(libwarren_objects PRIVATE warren_options PkgConfig::URCU Threads::Threads)

add_library(libwarren_shared SHARED $<TARGET_OBJECTS:libwarren_objects>)
set_target_properties(libwarren_shared PROPERTIES OUTPUT_NAME warren EXPORT_NAME warren
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(libwarren_shared PRIVATE PkgConfig::URCU Threads::Threads)

set(libwarren_object ${CMAKE_CURRENT_BINARY_DIR}/libwarren.o)
warren_join(${libwarren_object} $<TARGET_OBJECTS:libwarren_objects>)
add_library(libwarren_static STATIC ${libwarren_object})
set_target_properties(libwarren_static PROPERTIES LINKER_LANGUAGE CXX)
set_target_properties(libwarren_static PROPERTIES OUTPUT_NAME warren EXPORT_NAME warren_static)
target_link_libraries(libwarren_static INTERFACE Threads::Threads urcu-bp urcu-common)

foreach(library libwarren_shared libwarren_static)
  target_compile_features(${library} INTERFACE cxx_std_20)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
add_library(warren::warren ALIAS libwarren_shared)
add_library(warren::warren_static ALIAS libwarren_static)

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/warren)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/warrenConfig.cmake.in
  ${PROJECT_BINARY_DIR}/warrenConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/warrenConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
# The component lets the library alone be installed: cmake --install BUILD --component libwarren
install(TARGETS libwarren_shared libwarren_static EXPORT warrenTargets COMPONENT libwarren)
install(EXPORT warrenTargets NAMESPACE warren:: DESTINATION ${package_dir}
  COMPONENT libwarren)
install(FILES ${PROJECT_BINARY_DIR}/warrenConfig.cmake
  ${PROJECT_BINARY_DIR}/warrenConfigVersion.cmake DESTINATION ${package_dir}
  COMPONENT libwarren)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/warren DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT libwarren)

# The prefix is given at installation, so the file is written then.
install(CODE "
  set(prefix \"\${CMAKE_INSTALL_PREFIX}\")
  set(libdir \"${CMAKE_INSTALL_LIBDIR}\")
  set(includedir \"${CMAKE_INSTALL_INCLUDEDIR}\")
  set(version \"${PROJECT_VERSION}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/cmake/warren.pc.in\" \"${PROJECT_BINARY_DIR}/warren.pc\" @ONLY)"
  COMPONENT libwarren)
install(FILES ${PROJECT_BINARY_DIR}/warren.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT libwarren)
