#section support_code_apply

int APPLY_SPECIFIC(patches_back)(PyArrayObject *g, PyArrayObject *kernels, PyArrayObject *output,
                                 PyArrayObject *size, PyArrayObject **gradient,
                                 PARAMS_TYPE *params) {
    const npy_intp *above = PyArray_DIMS(g), *shape = PyArray_DIMS(kernels);
    if (PyArray_SIZE(size) != 2) {
        PyErr_SetString(PyExc_ValueError, "a picture's size is its rows and columns");
        return 1;
    }
    const Patches p = {above[0], shape[1], *(npy_int64 *)PyArray_GETPTR1(size, 0),
                       *(npy_int64 *)PyArray_GETPTR1(size, 1), shape[0], shape[2], shape[3],
                       params->stride_rows, params->stride_columns, params->pad_rows,
                       params->pad_columns, above[2], above[3]};
    const npy_intp to[4] = {p.pictures, p.channels, p.height, p.width};
    if (above[1] != p.filters
        || (p.height + 2 * p.pad_rows - p.kernel_rows) / p.stride_rows + 1 != p.out_height
        || (p.width + 2 * p.pad_columns - p.kernel_columns) / p.stride_columns + 1 != p.out_width
        || (params->masked && memcmp(PyArray_DIMS(output), above, 4 * sizeof(npy_intp)))) {
        PyErr_SetString(PyExc_ValueError, "gradients, kernels and pictures of a convolution do not "
                        "fit");
        return 1;
    }
    if (no_room(gradient, 4, to)) return 1;
    g = PyArray_GETCONTIGUOUS(g);
    kernels = PyArray_GETCONTIGUOUS(kernels);
    output = PyArray_GETCONTIGUOUS(output);
    int failed = !g || !kernels || !output;
    if (!failed && PyArray_SIZE(*gradient)) {
        const Rectifier rectifier = {params->masked ? (const float *)PyArray_DATA(output) : NULL,
                                     params->itself};
        failed = convolve_patches_back(p, (const float *)PyArray_DATA(g), rectifier,
                                       (const float *)PyArray_DATA(kernels), params->flip,
                                       (float *)PyArray_DATA(*gradient));
        if (failed) PyErr_NoMemory();
    }
    Py_XDECREF(g);
    Py_XDECREF(kernels);
    Py_XDECREF(output);
    return failed;
}
