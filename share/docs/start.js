// Everything comes from this service: no other host is asked for scripts, fonts or validation.
const page = document.getElementById('page');
if (typeof SwaggerUIBundle === 'undefined') {
  page.textContent = 'The viewer was not built in (npm was missing at build time). The description is at /api/v1/openapi.json.';
} else {
  SwaggerUIBundle({
    url: '/api/v1/openapi.json',
    domNode: page,
    deepLinking: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    persistAuthorization: false,
    validatorUrl: null,
  });
}
