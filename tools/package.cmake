# package.cmake: `cpack -G DEB` in the build folder makes a Debian package of the program, the library and the manual.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME espalier)
set(CPACK_PACKAGE_VENDOR espalier)
set(CPACK_PACKAGE_CONTACT "the authors of Espalier")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "trains and prunes neural networks with second-order information")
set(CPACK_PACKAGE_DESCRIPTION "Espalier trains neural networks on the CPU and prunes them by inverses of the empirical
Fisher (WoodFisher, WoodTaylor), from one JSON file. With a library for CMake, reports that open in a browser, and the
experiments of the literature beside their published numbers.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gnuplot-nox, dataset-fashion-mnist")
set(CPACK_STRIP_FILES ON)
include(CPack)
