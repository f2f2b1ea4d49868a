#section support_code_apply

int APPLY_SPECIFIC(take)(PyArrayObject *x, PyArrayObject *rows, PyArrayObject *columns,
                         PyArrayObject **y, PARAMS_TYPE *params) {
    const npy_intp *from = PyArray_DIMS(x);
    const npy_intp to[4] = {from[0], from[1], PyArray_DIM(rows, 0), PyArray_DIM(columns, 0)};
    if (no_room(y, 4, to)) return 1;
    x = PyArray_GETCONTIGUOUS(x);
    rows = PyArray_GETCONTIGUOUS(rows);
    columns = PyArray_GETCONTIGUOUS(columns);
    int failed = x == NULL || rows == NULL || columns == NULL;
    if (!failed) {
        const npy_int64 *r = (npy_int64 *)PyArray_DATA(rows), *c = (npy_int64 *)PyArray_DATA(columns);
        failed = !all_below(r, to[2], from[2]) || !all_below(c, to[3], from[3]);
        if (failed) PyErr_SetString(PyExc_IndexError, "a place outside the maps");
        const float *data = (const float *)PyArray_DATA(x);
        float *out = (float *)PyArray_DATA(*y);
        #pragma omp parallel for schedule(static) if (!failed)
        for (long plane = 0; plane < (failed ? 0 : to[0] * to[1]); plane++)
            take_plane(data + plane * from[2] * from[3], from[3], r, to[2], c, to[3],
                       out + plane * to[2] * to[3]);
    }
    Py_XDECREF(x);
    Py_XDECREF(rows);
    Py_XDECREF(columns);
    return failed;
}
