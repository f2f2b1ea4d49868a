#section support_code_apply

int APPLY_SPECIFIC(forward)(PyArrayObject *x, PyArrayObject *points, PyArrayObject *bias,
                            PyArrayObject **y, PARAMS_TYPE *params) {
    const npy_intp *pictures = PyArray_DIMS(x), *kernels = PyArray_DIMS(points);
    const npy_intp shape[4] = {pictures[0], kernels[1], pictures[2] + 2 * params->pad_rows - 2,
                               pictures[3] + 2 * params->pad_columns - 2};
    if (wrong_channels(kernels[2], x) || too_small(shape, x) || no_room(y, 4, shape)) return 1;
    x = PyArray_GETCONTIGUOUS(x);
    bias = PyArray_GETCONTIGUOUS(bias);
    int failed = x == NULL || bias == NULL;
    if (!failed && PyArray_SIZE(bias) && PyArray_SIZE(bias) != kernels[1]) {
        PyErr_Format(PyExc_ValueError, "a 3x3 convolution of %ld filters got a bias of %ld",
                     (long)kernels[1], (long)PyArray_SIZE(bias));
        failed = 1;
    }
    if (!failed && PyArray_SIZE(*y)) {
        const Pictures from = {(const float *)PyArray_DATA(x), pictures[1], pictures[2],
                               pictures[3], params->pad_rows, params->pad_columns};
        failed = convolve(from, (const float *)PyArray_DATA(points), pictures[0], kernels[1],
                          PyArray_SIZE(bias) ? (const float *)PyArray_DATA(bias) : NULL,
                          params->rectified, (float *)PyArray_DATA(*y));
        if (failed) PyErr_NoMemory();
    }
    Py_XDECREF(x);
    Py_XDECREF(bias);
    return failed;
}
