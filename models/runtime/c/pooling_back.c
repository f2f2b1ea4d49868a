#section support_code_apply

int APPLY_SPECIFIC(unpool)(PyArrayObject *x, PyArrayObject *y, PyArrayObject *above,
                           PyArrayObject **gradient, PARAMS_TYPE *params) {
    const npy_intp *to = PyArray_DIMS(x), *from = PyArray_DIMS(above);
    const npy_intp needed[4] = {to[0], to[1], to[2] / 2, to[3] / 2};
    if (memcmp(needed, from, sizeof needed)
        || (!params->mean && memcmp(needed, PyArray_DIMS(y), sizeof needed))) {
        PyErr_SetString(PyExc_ValueError, "a pooling and its gradient do not fit");
        return 1;
    }
    if (no_room(gradient, 4, to)) return 1;
    x = PyArray_GETCONTIGUOUS(x);
    y = PyArray_GETCONTIGUOUS(y);
    above = PyArray_GETCONTIGUOUS(above);
    const int failed = x == NULL || y == NULL || above == NULL;
    if (!failed) {
        const float *unpooled = (const float *)PyArray_DATA(x), *g = (float *)PyArray_DATA(above);
        const float *pooled = (const float *)PyArray_DATA(y);
        float *out = (float *)PyArray_DATA(*gradient);
        #pragma omp parallel for schedule(static)
        for (long plane = 0; plane < from[0] * from[1]; plane++)
            unpool_plane(unpooled + plane * to[2] * to[3],
                         params->mean ? NULL : pooled + plane * from[2] * from[3],
                         g + plane * from[2] * from[3], to[2], to[3], from[2], from[3],
                         params->mean, out + plane * to[2] * to[3]);
    }
    Py_XDECREF(x);
    Py_XDECREF(y);
    Py_XDECREF(above);
    return failed;
}
