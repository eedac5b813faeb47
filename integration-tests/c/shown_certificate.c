/* Debian's baresip makes itself an RSA certificate for DTLS-SRTP, and DTLS here takes ECDSA only. Loaded before libre,
 * this gives it the certificate and key in the file that SIBAI_CERTIFICATE names, both as PEM. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct tls;

int tls_set_certificate_pem(struct tls *tls, const char *cert, size_t len_cert, const char *key, size_t len_key);

int tls_set_selfsigned_rsa(struct tls *tls, const char *cn, size_t bits)
{
	static char pem[8192];
	const char *name = getenv("SIBAI_CERTIFICATE");
	FILE *file = name ? fopen(name, "r") : NULL;
	size_t length;

	(void)cn;
	(void)bits;
	if (!file)
		return 2;
	length = fread(pem, 1, sizeof(pem), file);
	fclose(file);
	return tls_set_certificate_pem(tls, pem, length, pem, length);
}
