/* A library with the interface of the vendor's, for tests. It serves what a test has prepared.

   The corpid given to Init is a folder:
     messages        one line each: sequence number, tab, the JSON object as it is handed out
     media/NAME      the bytes of the file NAME
     most            more messages than this in one call are refused with errcode 301058
     answer          handed out by GetChatData as it stands, whatever was asked
     fail_FUNCTION   the return code of that function
   The secret must be "secret", else Init answers 10000.

   DecryptData reverses a hexadecimal text of ("ok" and the message) xor the key, repeated; it is
   10006 if no "ok" comes out, 10008 for an empty key, and N for the key "fail:N".

   Live counts what was handed out and not given back: 0 slices, 1 media, 2 sessions. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char *buf; int len; } Slice_t;
typedef struct { char *outindexbuf; int out_len; char *data; int data_len; int is_finish; } MediaData_t;
typedef struct { char folder[1024]; } Sdk;

enum { SLICES, MEDIA, SESSIONS };
static int live[3];
static const int PIECE = 512 * 1024;

int Live(int what) { return live[what]; }

static FILE *file_of(const Sdk *sdk, const char *name) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", sdk->folder, name);
    return fopen(path, "rb");
}

static long number_in(const Sdk *sdk, const char *name, long otherwise) {
    FILE *file = file_of(sdk, name);
    if (file == NULL) return otherwise;
    if (fscanf(file, "%ld", &otherwise) != 1) otherwise = 10003;
    fclose(file);
    return otherwise;
}

static void put(Slice_t *slice, const char *bytes, int length) {
    slice->buf = realloc(slice->buf, slice->len + length + 1);
    memcpy(slice->buf + slice->len, bytes, length);
    slice->len += length;
    slice->buf[slice->len] = '\0';
}

static void say(Slice_t *slice, const char *text) { put(slice, text, strlen(text)); }

Sdk *NewSdk(void) { live[SESSIONS]++; return calloc(1, sizeof(Sdk)); }
void DestroySdk(Sdk *sdk) { live[SESSIONS]--; free(sdk); }

int Init(Sdk *sdk, const char *corpid, const char *secret) {
    snprintf(sdk->folder, sizeof sdk->folder, "%s", corpid);
    if (strcmp(secret, "secret") != 0) return 10000;
    return number_in(sdk, "fail_Init", 0);
}

Slice_t *NewSlice(void) { live[SLICES]++; return calloc(1, sizeof(Slice_t)); }
void FreeSlice(Slice_t *slice) { live[SLICES]--; free(slice->buf); free(slice); }
char *GetContentFromSlice(Slice_t *slice) { return slice->buf; }
int GetSliceLen(Slice_t *slice) { return slice->len; }

MediaData_t *NewMediaData(void) { live[MEDIA]++; return calloc(1, sizeof(MediaData_t)); }
void FreeMediaData(MediaData_t *media) {
    live[MEDIA]--;
    free(media->outindexbuf);
    free(media->data);
    free(media);
}
char *GetOutIndexBuf(MediaData_t *media) { return media->outindexbuf; }
int GetIndexLen(MediaData_t *media) { return media->out_len; }
char *GetData(MediaData_t *media) { return media->data; }
int GetDataLen(MediaData_t *media) { return media->data_len; }
int IsMediaDataFinish(MediaData_t *media) { return media->is_finish; }

int GetChatData(Sdk *sdk, unsigned long long seq, unsigned int limit, const char *proxy,
                const char *passwd, int timeout, Slice_t *out) {
    static char line[1 << 20];
    (void)proxy; (void)passwd; (void)timeout;
    int code = number_in(sdk, "fail_GetChatData", 0);
    if (code != 0) return code;
    FILE *file = file_of(sdk, "answer");
    if (file != NULL) {
        while (fgets(line, sizeof line, file)) say(out, line);
        fclose(file);
        return 0;
    }
    if (limit > number_in(sdk, "most", 1000)) {
        say(out, "{\"errcode\":301058,\"errmsg\":\"limit\"}");
        return 0;
    }
    say(out, "{\"errcode\":0,\"errmsg\":\"ok\",\"chatdata\":[");
    file = file_of(sdk, "messages");
    unsigned int given = 0;
    while (file != NULL && given < limit && fgets(line, sizeof line, file)) {
        char *object;
        unsigned long long at = strtoull(line, &object, 10);
        if (at <= seq) continue;
        if (given++ > 0) say(out, ",");
        say(out, object);
    }
    if (file != NULL) fclose(file);
    say(out, "]}");
    return 0;
}

int DecryptData(const char *encrypt_key, const char *encrypt_msg, Slice_t *out) {
    int keys = strlen(encrypt_key), length = strlen(encrypt_msg) / 2;
    if (keys == 0) return 10008;
    if (strncmp(encrypt_key, "fail:", 5) == 0) return atoi(encrypt_key + 5);
    for (int i = 0; i < length; i++) {
        unsigned int byte = 0;
        if (sscanf(encrypt_msg + 2 * i, "%2x", &byte) != 1) return 10006;
        char plain = (char)(byte ^ (unsigned char)encrypt_key[i % keys]);
        if (i < 2 && plain != "ok"[i]) return 10006;
        if (i >= 2) put(out, &plain, 1);
    }
    return length < 2 ? 10006 : 0;
}

int GetMediaData(Sdk *sdk, const char *indexbuf, const char *sdkFileid, const char *proxy,
                 const char *passwd, int timeout, MediaData_t *out) {
    char name[1024], next[32];
    (void)proxy; (void)passwd; (void)timeout;
    int code = number_in(sdk, "fail_GetMediaData", 0);
    if (code != 0) return code;
    snprintf(name, sizeof name, "media/%s", sdkFileid);
    FILE *file = file_of(sdk, name);
    if (file == NULL) return 10005;
    fseek(file, atol(indexbuf), SEEK_SET);
    out->data = malloc(PIECE);
    out->data_len = fread(out->data, 1, PIECE, file);
    out->out_len = snprintf(next, sizeof next, "%ld", ftell(file));
    out->outindexbuf = strdup(next);
    int after = fgetc(file);
    out->is_finish = after == EOF;
    fclose(file);
    return 0;
}
