#section support_code_apply

int APPLY_SPECIFIC(put)(PyArrayObject *g, PyArrayObject *rows, PyArrayObject *columns,
                        PyArrayObject *height, PyArrayObject *width, PyArrayObject **y,
                        PARAMS_TYPE *params) {
    const npy_intp *from = PyArray_DIMS(g);
    const npy_intp to[4] = {from[0], from[1], *(npy_int64 *)PyArray_DATA(height),
                            *(npy_int64 *)PyArray_DATA(width)};
    if (no_room(y, 4, to)) return 1;
    g = PyArray_GETCONTIGUOUS(g);
    rows = PyArray_GETCONTIGUOUS(rows);
    columns = PyArray_GETCONTIGUOUS(columns);
    int failed = g == NULL || rows == NULL || columns == NULL;
    if (!failed) {
        const npy_int64 *r = (npy_int64 *)PyArray_DATA(rows), *c = (npy_int64 *)PyArray_DATA(columns);
        failed = PyArray_DIM(rows, 0) != from[2] || PyArray_DIM(columns, 0) != from[3]
                 || !all_below(r, from[2], to[2]) || !all_below(c, from[3], to[3]);
        if (failed) PyErr_SetString(PyExc_IndexError, "a place outside the maps");
        const float *data = (const float *)PyArray_DATA(g);
        float *out = (float *)PyArray_DATA(*y);
        #pragma omp parallel for schedule(static) if (!failed)
        for (long plane = 0; plane < (failed ? 0 : to[0] * to[1]); plane++) {
            memset(out + plane * to[2] * to[3], 0, to[2] * to[3] * sizeof *out);
            put_plane(data + plane * from[2] * from[3], r, from[2], c, from[3], to[3],
                      out + plane * to[2] * to[3]);
        }
    }
    Py_XDECREF(g);
    Py_XDECREF(rows);
    Py_XDECREF(columns);
    return failed;
}
