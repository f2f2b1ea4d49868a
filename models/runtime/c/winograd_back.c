#section support_code_apply

int APPLY_SPECIFIC(back)(PyArrayObject *g, PyArrayObject *points, PyArrayObject *output,
                         PyArrayObject **gradient, PARAMS_TYPE *params) {
    const npy_intp *above = PyArray_DIMS(g), *kernels = PyArray_DIMS(points);
    const npy_intp shape[4] = {above[0], kernels[2], above[2] + 2 - 2 * params->pad_rows,
                               above[3] + 2 - 2 * params->pad_columns};
    if (wrong_channels(kernels[1], g) || too_small(shape, g) || no_room(gradient, 4, shape))
        return 1;
    if (params->masked && memcmp(PyArray_DIMS(output), above, 4 * sizeof(npy_intp))) {
        PyErr_SetString(PyExc_ValueError, "a gradient and its rectifier differ in shape");
        return 1;
    }
    g = PyArray_GETCONTIGUOUS(g);
    output = PyArray_GETCONTIGUOUS(output);
    int failed = g == NULL || output == NULL;
    if (!failed && PyArray_SIZE(*gradient)) {
        const Pictures from = {(const float *)PyArray_DATA(g), above[1], above[2], above[3], 0, 0};
        const Pictures to = {NULL, shape[1], shape[2], shape[3], params->pad_rows,
                             params->pad_columns};
        const Rectifier rectifier = {params->masked ? (const float *)PyArray_DATA(output) : NULL,
                                     params->itself};
        failed = convolve_back(from, rectifier, (const float *)PyArray_DATA(points), above[0], to,
                               (float *)PyArray_DATA(*gradient));
        if (failed) PyErr_NoMemory();
    }
    Py_XDECREF(g);
    Py_XDECREF(output);
    return failed;
}
