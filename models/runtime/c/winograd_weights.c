#section support_code_apply

int APPLY_SPECIFIC(weights)(PyArrayObject *x, PyArrayObject *g, PyArrayObject **gradient,
                            PARAMS_TYPE *params) {
    const npy_intp *pictures = PyArray_DIMS(x), *above = PyArray_DIMS(g);
    const npy_intp shape[4] = {above[1], pictures[1], 3, 3};
    if (no_room(gradient, 4, shape)) return 1;
    if (above[0] != pictures[0] || above[2] != pictures[2] + 2 * params->pad_rows - 2
        || above[3] != pictures[3] + 2 * params->pad_columns - 2) {
        PyErr_SetString(PyExc_ValueError, "pictures and gradients of a 3x3 convolution do not fit");
        return 1;
    }
    x = PyArray_GETCONTIGUOUS(x);
    g = PyArray_GETCONTIGUOUS(g);
    float *points = (float *)calloc(POINTS * shape[0] * shape[1] + 1, sizeof(float));
    int failed = x == NULL || g == NULL;
    if (!failed) {
        const Pictures from = {(const float *)PyArray_DATA(x), pictures[1], pictures[2],
                               pictures[3], params->pad_rows, params->pad_columns};
        const Pictures back = {(const float *)PyArray_DATA(g), above[1], above[2], above[3], 0, 0};
        failed = points == NULL || (PyArray_SIZE(g) && PyArray_SIZE(x)
                                    && convolve_weights(from, back, pictures[0], points));
        if (failed)
            PyErr_NoMemory();
        else
            points_to_kernels(points, shape[0], shape[1], params->flip,
                              (float *)PyArray_DATA(*gradient));
    }
    free(points);
    Py_XDECREF(x);
    Py_XDECREF(g);
    return failed;
}
