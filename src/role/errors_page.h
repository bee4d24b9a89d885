/* role/errors_page.h - docs/errors.md, made from the tables of errors. */
#ifndef PGW_ROLE_ERRORS_PAGE_H
#define PGW_ROLE_ERRORS_PAGE_H

#include <stdio.h>

void pgw_errors_document(FILE *);

#endif
