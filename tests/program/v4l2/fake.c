/* A camera made of software, to be put before a program with LD_PRELOAD: whatever the program asks /dev/video0 of the C
 * library is answered here. Its file is a timer, so waiting for a picture is the kernel's business.
 *
 * FAKE_CAMERA_FORMATS  what it offers, as V4L2's four characters each; default "MJPG YUYV"
 * FAKE_CAMERA_FORCE    the format it is set to, whatever is asked for
 * FAKE_CAMERA_JPEG     the file that every MJPG picture is
 * FAKE_CAMERA_PADDING  so many zeros follow each of them
 * FAKE_CAMERA_STEPWISE any size from 32x16 to 1920x1080, and any rate from 1 to 60
 * FAKE_CAMERA_SIZE     "WIDTHxHEIGHT": the only size it has
 * FAKE_CAMERA_GAP      so many bytes between the rows of a raw picture, or of its first plane
 * FAKE_CAMERA_FULL     its raw pictures are said to have the full range
 * FAKE_CAMERA_MATRIX   the `ycbcr_enc` of its raw pictures, a number
 * FAKE_CAMERA_AGE      pictures are so many milliseconds old when they can be fetched
 * FAKE_CAMERA_PERIOD   so many milliseconds between two pictures, whatever rate is set
 * FAKE_CAMERA_CLOCK    times of capture are from a clock of its own
 * FAKE_CAMERA_FAULT    busy, denied, output, silent, unplugged:N (after N pictures), corrupt:K or flagged:K (each Kth)
 * FAKE_CAMERA_ERRORS   "S_PARM=5 DQBUF@10-12=5": requests that fail with that errno; from picture 10 on and before 12
 * FAKE_CAMERA_DRIVER   the name of its driver
 * FAKE_CAMERA_MULTI    it has the interface for several planes alone, and its pictures have so many
 * FAKE_CAMERA_INPUTS   the names of its inputs, separated by commas; those with HDMI in them are digital
 * FAKE_CAMERA_SIGNAL   what a digital input has: "WIDTHxHEIGHT", "none", "unstable" or "range"; "A>B" is first A, then
 *                      B, after five pictures
 * FAKE_CAMERA_NAMES    its controls have the names that Linux has for them since 5.19
 * FAKE_CAMERA_LOG      a file to which controls, inputs, signals and starts are written
 *
 * Discrete sizes are 640x480 and 1280x720, at 30 and 15 pictures a second; raw ones of 1280x720 at 10 alone. A raw
 * picture is eight upright bars in the colors of a color bar test picture, 100 %, by ITU-R BT.601. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS_MAX 8
#define OFFSET_STEP (1u << 23)

static const char *const DEVICE = "/dev/video0";

static const uint8_t BARS_YCBCR[8][3] = {{235, 128, 128}, {210, 16, 146}, {170, 166, 16}, {145, 54, 34},
                                         {106, 202, 222}, {81, 90, 240},  {41, 240, 110}, {16, 128, 128}};
static const uint8_t BARS_RGB[8][3] = {{255, 255, 255}, {255, 255, 0}, {0, 255, 255}, {0, 255, 0},
                                       {255, 0, 255},   {255, 0, 0},   {0, 0, 255},   {0, 0, 0}};

static struct {
    int file;
    struct v4l2_pix_format format;
    uint32_t fps;
    uint8_t *jpeg;
    size_t jpeg_bytes;
    void *memory[BUFFERS_MAX];
    size_t length;
    uint32_t count;
    /* The buffers that wait for a picture, oldest first. */
    uint32_t queue[BUFFERS_MAX];
    uint32_t queued;
    uint32_t pictures;
    bool manual_exposure;
    int input;
    /* Whether the change of the signal is to be reported, and has been. */
    bool subscribed, reported;
} camera = {.file = -1};

struct control {
    uint32_t id, type, flags;
    const char *name, *new_name;
    int32_t minimum, maximum;
};

static const struct control CONTROLS[] = {
    {0x00980001, V4L2_CTRL_TYPE_CTRL_CLASS, V4L2_CTRL_FLAG_READ_ONLY, "User Controls", 0, 0, 0},
    {V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, 0, "Brightness", 0, -64, 64},
    {V4L2_CID_HUE, V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_FLAG_DISABLED, "Hue", 0, 0, 10},
    {V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, 0, "Exposure, Auto", "Auto Exposure", 0, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_FLAG_INACTIVE, "Exposure (Absolute)",
     "Exposure Time, Absolute", 3, 2047},
    {V4L2_CID_PRIVACY, V4L2_CTRL_TYPE_BOOLEAN, V4L2_CTRL_FLAG_READ_ONLY, "Privacy", 0, 0, 1},
};

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

/* Whether the fault of that name is asked for. Its number goes to `number`. */
static bool fault(const char *name, uint32_t *number) {
    const char *wanted = setting("FAKE_CAMERA_FAULT");
    size_t length = strlen(name);
    if (strncmp(wanted, name, length) != 0) return false;
    if (number && wanted[length] == ':') *number = (uint32_t)atoi(wanted + length + 1);
    return true;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static void write_log(const char *format, ...) {
    FILE *log = fopen(setting("FAKE_CAMERA_LOG"), "a");
    if (!log) return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(log, format, arguments);
    va_end(arguments);
    fclose(log);
}

/* The format at `index` of those offered, or 0. */
static uint32_t format_at(uint32_t index) {
    const char *names = getenv("FAKE_CAMERA_FORMATS");
    if (!names) names = "MJPG YUYV";
    if (strlen(names) < 5 * index + 4) return 0;
    const char *name = names + 5 * index;
    return v4l2_fourcc(name[0], name[1], name[2], name[3]);
}

static bool is_offered(uint32_t format) {
    for (uint32_t index = 0, found; (found = format_at(index)); index++)
        if (found == format) return true;
    return false;
}

/* How the bytes of a raw picture lie: those of a pixel in the first plane, and what follows that. */
struct packing {
    uint32_t format, bytes;
    /* The planes of chroma, 1 or 2, and the rows that share one of their rows. */
    uint32_t planes, rows;
    /* For a plane of chroma: 1 if Cr is first. For pairs: where luma is, and whether Cr is first. For RGB: where red,
     * green and blue are. */
    uint8_t at[3];
};

static const struct packing PACKINGS[] = {
    {V4L2_PIX_FMT_YUYV, 2, 0, 1, {0, 0}},       {V4L2_PIX_FMT_YVYU, 2, 0, 1, {0, 1}},
    {V4L2_PIX_FMT_UYVY, 2, 0, 1, {1, 0}},       {V4L2_PIX_FMT_VYUY, 2, 0, 1, {1, 1}},
    {V4L2_PIX_FMT_NV12, 1, 1, 2, {0}},          {V4L2_PIX_FMT_NV21, 1, 1, 2, {1}},
    {V4L2_PIX_FMT_NV16, 1, 1, 1, {0}},          {V4L2_PIX_FMT_NV61, 1, 1, 1, {1}},
    {V4L2_PIX_FMT_YUV420, 1, 2, 2, {0}},        {V4L2_PIX_FMT_YVU420, 1, 2, 2, {1}},
    {V4L2_PIX_FMT_YUV422P, 1, 2, 1, {0}},       {V4L2_PIX_FMT_RGB24, 3, 0, 1, {0, 1, 2}},
    {V4L2_PIX_FMT_BGR24, 3, 0, 1, {2, 1, 0}},   {V4L2_PIX_FMT_XBGR32, 4, 0, 1, {2, 1, 0}},
    {V4L2_PIX_FMT_ABGR32, 4, 0, 1, {2, 1, 0}},  {V4L2_PIX_FMT_BGR32, 4, 0, 1, {2, 1, 0}},
    {V4L2_PIX_FMT_RGBX32, 4, 0, 1, {0, 1, 2}},  {V4L2_PIX_FMT_RGBA32, 4, 0, 1, {0, 1, 2}},
    {V4L2_PIX_FMT_XRGB32, 4, 0, 1, {1, 2, 3}},  {V4L2_PIX_FMT_ARGB32, 4, 0, 1, {1, 2, 3}},
    {V4L2_PIX_FMT_RGB32, 4, 0, 1, {1, 2, 3}},   {V4L2_PIX_FMT_BGRX32, 4, 0, 1, {3, 2, 1}},
    {V4L2_PIX_FMT_BGRA32, 4, 0, 1, {3, 2, 1}},  {V4L2_PIX_FMT_RGB565, 2, 0, 1, {0}},
    {V4L2_PIX_FMT_GREY, 1, 0, 1, {0}},
};

static const struct packing *packing_of(uint32_t format) {
    for (size_t n = 0; n < sizeof PACKINGS / sizeof *PACKINGS; n++)
        if (PACKINGS[n].format == format) return &PACKINGS[n];
    return NULL;
}

static uint32_t half(uint32_t side) { return side / 2 + side % 2; }

/* From a row of chroma to the next, and how many there are in a plane. */
static uint32_t chroma_stride(const struct packing *packing) {
    uint32_t stride = camera.format.bytesperline;
    return packing->planes == 1 ? stride + stride % 2 : half(stride);
}
static uint32_t chroma_rows(const struct packing *packing) {
    return packing->rows == 2 ? half(camera.format.height) : camera.format.height;
}

static uint32_t picture_bytes(void) {
    const struct packing *packing = packing_of(camera.format.pixelformat);
    if (!packing) return (uint32_t)(camera.jpeg_bytes + atoi(setting("FAKE_CAMERA_PADDING")) + 4096);
    return camera.format.bytesperline * camera.format.height +
           packing->planes * chroma_stride(packing) * chroma_rows(packing);
}

/* The size of the signal of a digital input, or the errno that stands for it; -1 if the input is another. */
static int signal_now(uint32_t *width, uint32_t *height) {
    const char *names = setting("FAKE_CAMERA_INPUTS"), *now = setting("FAKE_CAMERA_SIGNAL");
    for (int input = 0; input < camera.input && names; input++) names = strchr(names, ',') + 1;
    if (strncmp(names, "HDMI", 4) != 0) return -1;
    const char *later = strchr(now, '>');
    if (later && camera.pictures >= 5) now = later + 1;
    if (strncmp(now, "none", 4) == 0) return ENOLINK;
    if (strncmp(now, "unstable", 8) == 0) return ENOLCK;
    if (strncmp(now, "range", 5) == 0) return ERANGE;
    sscanf(now, "%ux%u", width, height);
    return 0;
}

/* Makes of `format` what this camera can do. */
static void adjust(struct v4l2_pix_format *format) {
    const char *forced = setting("FAKE_CAMERA_FORCE");
    if (*forced) format->pixelformat = v4l2_fourcc(forced[0], forced[1], forced[2], forced[3]);
    else if (!is_offered(format->pixelformat)) format->pixelformat = format_at(0);
    if (!getenv("FAKE_CAMERA_STEPWISE")) {
        bool large = format->width >= 960;
        format->width = large ? 1280 : 640;
        format->height = large ? 720 : 480;
    }
    sscanf(setting("FAKE_CAMERA_SIZE"), "%ux%u", &format->width, &format->height);
    signal_now(&format->width, &format->height);
    format->field = V4L2_FIELD_NONE;
    const struct packing *packing = packing_of(format->pixelformat);
    format->bytesperline = packing ? packing->bytes * format->width + atoi(setting("FAKE_CAMERA_GAP")) : 0;
    format->colorspace = V4L2_COLORSPACE_SRGB;
    format->ycbcr_enc = atoi(setting("FAKE_CAMERA_MATRIX"));
    format->quantization =
        getenv("FAKE_CAMERA_FULL") ? V4L2_QUANTIZATION_FULL_RANGE : V4L2_QUANTIZATION_DEFAULT;
    camera.format = *format;
    camera.format.sizeimage = format->sizeimage = picture_bytes();
}

static bool is_slow(uint32_t format, uint32_t width) { return format != V4L2_PIX_FMT_MJPEG && width >= 1280; }

static void read_jpeg(void) {
    FILE *file = fopen(setting("FAKE_CAMERA_JPEG"), "rb");
    if (!file) return;
    camera.jpeg = malloc(1 << 20);
    camera.jpeg_bytes = fread(camera.jpeg, 1, 1 << 20, file);
    fclose(file);
}

static int open_camera(void) {
    if (fault("denied", 0)) return refuse(EACCES);
    if (!camera.jpeg) read_jpeg();
    camera.file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct v4l2_pix_format format = {.width = 640, .height = 480, .pixelformat = format_at(0)};
    adjust(&format);
    camera.fps = 30;
    return camera.file;
}

static void set_timer(bool on) {
    struct itimerspec timer = {0};
    uint64_t period = atoi(setting("FAKE_CAMERA_PERIOD")) * 1000000ull;
    if (!period) period = 999999999 / camera.fps;
    if (on && !fault("silent", 0)) timer.it_interval = (struct timespec){period / 1000000000, period % 1000000000};
    timer.it_value = timer.it_interval;
    timerfd_settime(camera.file, 0, &timer, 0);
}

static int enumerate_sizes(struct v4l2_frmsizeenum *size) {
    if (getenv("FAKE_CAMERA_STEPWISE")) {
        if (size->index) return refuse(EINVAL);
        size->type = V4L2_FRMSIZE_TYPE_STEPWISE;
        size->stepwise = (struct v4l2_frmsize_stepwise){32, 1920, 16, 16, 1080, 8};
        return 0;
    }
    bool one = getenv("FAKE_CAMERA_SIZE") || getenv("FAKE_CAMERA_SIGNAL");
    if (size->index > 1 || !is_offered(size->pixel_format) || one) return refuse(EINVAL);
    size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    size->discrete.width = size->index ? 1280 : 640;
    size->discrete.height = size->index ? 720 : 480;
    return 0;
}

static int enumerate_intervals(struct v4l2_frmivalenum *interval) {
    if (getenv("FAKE_CAMERA_STEPWISE")) {
        if (interval->index) return refuse(EINVAL);
        interval->type = V4L2_FRMIVAL_TYPE_CONTINUOUS;
        interval->stepwise = (struct v4l2_frmival_stepwise){{1, 60}, {1, 1}, {1, 1}};
        return 0;
    }
    bool slow = is_slow(interval->pixel_format, interval->width);
    if (interval->index > (slow ? 0 : 1)) return refuse(EINVAL);
    interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    interval->discrete = (struct v4l2_fract){1, slow ? 10 : interval->index ? 15 : 30};
    return 0;
}

static int set_rate(struct v4l2_captureparm *capture) {
    struct v4l2_fract *interval = &capture->timeperframe;
    uint32_t wanted = interval->numerator ? (interval->denominator + interval->numerator / 2) / interval->numerator : 0;
    if (getenv("FAKE_CAMERA_STEPWISE")) camera.fps = wanted < 1 ? 1 : wanted > 60 ? 60 : wanted;
    else if (is_slow(camera.format.pixelformat, camera.format.width)) camera.fps = 10;
    else camera.fps = wanted > 22 ? 30 : 15;
    *interval = (struct v4l2_fract){1, camera.fps};
    return 0;
}

static int query_control(struct v4l2_queryctrl *query) {
    bool next = query->id & V4L2_CTRL_FLAG_NEXT_CTRL;
    uint32_t id = query->id & ~V4L2_CTRL_FLAG_NEXT_CTRL;
    for (size_t n = 0; n < sizeof CONTROLS / sizeof *CONTROLS; n++) {
        const struct control *control = &CONTROLS[n];
        if (next ? control->id <= id : control->id != id) continue;
        *query = (struct v4l2_queryctrl){.id = control->id,
                                         .type = control->type,
                                         .flags = control->flags,
                                         .minimum = control->minimum,
                                         .maximum = control->maximum,
                                         .step = 1};
        bool renamed = getenv("FAKE_CAMERA_NAMES") && control->new_name;
        strncpy((char *)query->name, renamed ? control->new_name : control->name, sizeof query->name - 1);
        return 0;
    }
    return refuse(EINVAL);
}

static int set_control(const struct v4l2_control *control) {
    if (control->id == V4L2_CID_EXPOSURE_ABSOLUTE && !camera.manual_exposure) return refuse(EACCES);
    if (control->id == V4L2_CID_EXPOSURE_AUTO) camera.manual_exposure = control->value == V4L2_EXPOSURE_MANUAL;
    write_log("control %#x is %d\n", control->id, control->value);
    return 0;
}

static int request_buffers(struct v4l2_requestbuffers *request) {
    if (fault("busy", 0)) return refuse(EBUSY);
    if (request->memory != V4L2_MEMORY_MMAP) return refuse(EINVAL);
    if (request->count > BUFFERS_MAX) request->count = BUFFERS_MAX;
    camera.count = request->count;
    camera.length = camera.format.sizeimage;
    camera.queued = 0;
    return 0;
}

/* Where the one plane of a buffer is, if this camera has the interface for several. */
static struct v4l2_plane *planes_of(struct v4l2_buffer *buffer) {
    return getenv("FAKE_CAMERA_MULTI") && buffer->length >= 1 ? buffer->m.planes : NULL;
}

/* Has the plane, if there is one, what `buffer` has. */
static void to_planes(struct v4l2_buffer *buffer, struct v4l2_plane *planes) {
    if (!planes) return;
    *planes = (struct v4l2_plane){.bytesused = buffer->bytesused, .length = buffer->length};
    planes->m.mem_offset = buffer->m.offset;
    buffer->m.planes = planes;
    buffer->length = 1;
    buffer->bytesused = 0;
}

static int query_buffer(struct v4l2_buffer *buffer) {
    if (buffer->index >= camera.count) return refuse(EINVAL);
    struct v4l2_plane *planes = planes_of(buffer);
    buffer->length = camera.length;
    buffer->m.offset = buffer->index * OFFSET_STEP;
    to_planes(buffer, planes);
    return 0;
}

static int enqueue(const struct v4l2_buffer *buffer) {
    if (buffer->index >= camera.count || camera.queued == camera.count) return refuse(EINVAL);
    camera.queue[camera.queued++] = buffer->index;
    return 0;
}

/* Draws one pixel. */
static void draw_pixel(uint8_t *to, const struct packing *packing, uint32_t x, uint32_t y) {
    uint32_t width = camera.format.width, stride = camera.format.bytesperline, bar = x * 8 / width;
    /* Two pixels share their chroma: that of the first. */
    const uint8_t *color = BARS_YCBCR[bar], *shared = BARS_YCBCR[(x & ~1u) * 8 / width], *rgb = BARS_RGB[bar];
    uint8_t *pixel = to + y * stride + x * packing->bytes;
    if (packing->format == V4L2_PIX_FMT_GREY) {
        *pixel = bar * 36;
    } else if (packing->format == V4L2_PIX_FMT_RGB565) {
        uint16_t bits = (rgb[0] >> 3) << 11 | (rgb[1] >> 2) << 5 | rgb[2] >> 3;
        pixel[0] = bits & 0xff;
        pixel[1] = bits >> 8;
    } else if (packing->bytes > 2) {
        for (int n = 0; n < 3; n++) pixel[packing->at[n]] = rgb[n];
    } else if (packing->bytes == 2) {
        pixel[packing->at[0]] = color[0];
        pixel[1 - packing->at[0]] = shared[1 + (x + packing->at[1]) % 2];
    } else {
        *pixel = color[0];
        if (x % 2 || y % packing->rows) return;
        uint8_t *chroma = to + camera.format.height * stride + y / packing->rows * chroma_stride(packing);
        uint32_t plane = packing->planes == 1 ? 1 : chroma_rows(packing) * chroma_stride(packing);
        chroma += packing->planes == 1 ? x : x / 2;
        chroma[packing->at[0] ? plane : 0] = shared[1];
        chroma[packing->at[0] ? 0 : plane] = shared[2];
    }
}

static uint32_t draw(uint8_t *to) {
    const struct packing *packing = packing_of(camera.format.pixelformat);
    if (!packing) {
        uint32_t padding = atoi(setting("FAKE_CAMERA_PADDING"));
        memcpy(to, camera.jpeg, camera.jpeg_bytes);
        memset(to + camera.jpeg_bytes, 0, padding);
        return camera.jpeg_bytes + padding;
    }
    memset(to, 0xee, camera.format.sizeimage);
    for (uint32_t y = 0; y < camera.format.height; y++)
        for (uint32_t x = 0; x < camera.format.width; x++) draw_pixel(to, packing, x, y);
    return camera.format.sizeimage;
}

static int dequeue(struct v4l2_buffer *buffer) {
    uint64_t ticks;
    uint32_t after = 0, each = 1;
    if (read(camera.file, &ticks, sizeof ticks) != sizeof ticks || !camera.queued) return refuse(EAGAIN);
    if (fault("unplugged", &after) && camera.pictures >= after) return refuse(ENODEV);
    struct v4l2_plane *planes = planes_of(buffer);
    buffer->index = camera.queue[0];
    memmove(camera.queue, camera.queue + 1, --camera.queued * sizeof *camera.queue);
    buffer->bytesused = draw(camera.memory[buffer->index]);
    buffer->sequence = camera.pictures++;
    buffer->length = camera.length;
    buffer->flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t micros = now.tv_sec * 1000000LL + now.tv_nsec / 1000 - atoll(setting("FAKE_CAMERA_AGE")) * 1000;
    if (getenv("FAKE_CAMERA_CLOCK")) micros += 1000000000000LL;
    buffer->timestamp = (struct timeval){micros / 1000000, micros % 1000000};
    if (fault("corrupt", &each) && camera.pictures % each == 0) buffer->bytesused /= 2;
    if (fault("flagged", &each) && camera.pictures % each == 0) buffer->flags |= V4L2_BUF_FLAG_ERROR;
    to_planes(buffer, planes);
    return 0;
}

/* The name of a request, as FAKE_CAMERA_ERRORS has it. */
static const char *name_of(unsigned long request) {
    switch (request) {
    case VIDIOC_QUERYCAP: return "QUERYCAP";
    case VIDIOC_S_FMT: return "S_FMT";
    case VIDIOC_S_PARM: return "S_PARM";
    case VIDIOC_S_CTRL: return "S_CTRL";
    case VIDIOC_S_INPUT: return "S_INPUT";
    case VIDIOC_S_STD: return "S_STD";
    case VIDIOC_REQBUFS: return "REQBUFS";
    case VIDIOC_QUERYBUF: return "QUERYBUF";
    case VIDIOC_QBUF: return "QBUF";
    case VIDIOC_DQBUF: return "DQBUF";
    case VIDIOC_STREAMON: return "STREAMON";
    default: return "";
    }
}

/* The errno that a request is to fail with now, or 0. */
static int error_of(const char *name) {
    size_t length = strlen(name);
    for (const char *word = setting("FAKE_CAMERA_ERRORS"); length && word; word = strchr(word, ' ')) {
        word += *word == ' ';
        uint32_t from = 0, to = UINT32_MAX;
        int error = 0;
        if (strncmp(word, name, length) != 0) continue;
        if (sscanf(word + length, "=%d", &error) == 1) return error;
        if (sscanf(word + length, "@%u-%u=%d", &from, &to, &error) != 3) continue;
        if (camera.pictures >= from && camera.pictures < to) return error;
    }
    return 0;
}

/* The input at `index`, by its name in a list with commas. */
static int input_at(struct v4l2_input *input) {
    const char *names = setting("FAKE_CAMERA_INPUTS");
    for (uint32_t index = 0; index < input->index; index++) {
        names = strchr(names, ',');
        if (!names) return refuse(EINVAL);
        names++;
    }
    if (!*names) return refuse(EINVAL);
    *input = (struct v4l2_input){.index = input->index, .type = V4L2_INPUT_TYPE_CAMERA};
    memcpy(input->name, names, strcspn(names, ","));
    if (fault("silent", 0)) input->status = V4L2_IN_ST_NO_SIGNAL;
    return 0;
}

static int set_timings(const struct v4l2_dv_timings *timings) {
    write_log("timings %ux%u\n", timings->bt.width, timings->bt.height);
    return 0;
}

static int query_timings(struct v4l2_dv_timings *timings) {
    uint32_t width = 0, height = 0;
    int error = signal_now(&width, &height);
    if (error) return refuse(error < 0 ? ENODATA : error);
    memset(timings, 0, sizeof *timings);
    timings->bt.width = width;
    timings->bt.height = height;
    return 0;
}

/* The change of the signal, once. */
static int next_event(struct v4l2_event *event) {
    if (!camera.subscribed || camera.reported || !strchr(setting("FAKE_CAMERA_SIGNAL"), '>') || camera.pictures < 5)
        return refuse(ENOENT);
    camera.reported = true;
    *event = (struct v4l2_event){.type = V4L2_EVENT_SOURCE_CHANGE};
    event->u.src_change.changes = V4L2_EVENT_SRC_CH_RESOLUTION;
    return 0;
}

static void get_format(struct v4l2_format *format) {
    if (!getenv("FAKE_CAMERA_MULTI")) {
        format->fmt.pix = camera.format;
        return;
    }
    format->fmt.pix_mp = (struct v4l2_pix_format_mplane){.width = camera.format.width,
                                                         .height = camera.format.height,
                                                         .pixelformat = camera.format.pixelformat,
                                                         .field = camera.format.field,
                                                         .colorspace = camera.format.colorspace,
                                                         .ycbcr_enc = camera.format.ycbcr_enc,
                                                         .quantization = camera.format.quantization,
                                                         .num_planes = atoi(setting("FAKE_CAMERA_MULTI"))};
    format->fmt.pix_mp.plane_fmt[0].bytesperline = camera.format.bytesperline;
    format->fmt.pix_mp.plane_fmt[0].sizeimage = camera.format.sizeimage;
}

static void set_format(struct v4l2_format *format) {
    struct v4l2_pix_format wanted = format->fmt.pix;
    /* The first three fields of both are the same. */
    adjust(&wanted);
    get_format(format);
}

/* Whether a request is about a kind of buffers that this camera has not. */
static bool is_of_other_kind(unsigned long request, const void *argument) {
    uint32_t kind = getenv("FAKE_CAMERA_MULTI") ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    switch (request) {
    case VIDIOC_ENUM_FMT: return ((const struct v4l2_fmtdesc *)argument)->type != kind;
    case VIDIOC_S_FMT:
    case VIDIOC_G_FMT: return ((const struct v4l2_format *)argument)->type != kind;
    case VIDIOC_S_PARM: return ((const struct v4l2_streamparm *)argument)->type != kind;
    case VIDIOC_REQBUFS: return ((const struct v4l2_requestbuffers *)argument)->type != kind;
    case VIDIOC_QUERYBUF:
    case VIDIOC_QBUF:
    case VIDIOC_DQBUF: return ((const struct v4l2_buffer *)argument)->type != kind;
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF: return *(const uint32_t *)argument != kind;
    default: return false;
    }
}

static int answer(unsigned long request, void *argument) {
    if (is_of_other_kind(request, argument)) return refuse(EINVAL);
    int error = error_of(name_of(request));
    if (error) {
        uint64_t ticks;
        if (request == VIDIOC_DQBUF && read(camera.file, &ticks, sizeof ticks) != sizeof ticks) return refuse(EAGAIN);
        camera.pictures += request == VIDIOC_DQBUF;
        return refuse(error);
    }
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = argument;
        *capability = (struct v4l2_capability){.card = "Fake: camera"};
        strncpy((char *)capability->driver, setting("FAKE_CAMERA_DRIVER"), sizeof capability->driver - 1);
        capability->device_caps = V4L2_CAP_STREAMING | (fault("output", 0)              ? V4L2_CAP_VIDEO_OUTPUT
                                                        : getenv("FAKE_CAMERA_MULTI") ? V4L2_CAP_VIDEO_CAPTURE_MPLANE
                                                                                      : V4L2_CAP_VIDEO_CAPTURE);
        /* What another node of the same camera can do. */
        capability->capabilities = capability->device_caps | V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *format = argument;
        format->pixelformat = format_at(format->index);
        return format->pixelformat ? 0 : refuse(EINVAL);
    }
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_sizes(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_intervals(argument);
    case VIDIOC_S_FMT: set_format(argument); return 0;
    case VIDIOC_G_FMT: get_format(argument); return 0;
    case VIDIOC_ENUMINPUT: return input_at(argument);
    case VIDIOC_G_INPUT: *(int *)argument = camera.input; return 0;
    case VIDIOC_S_INPUT:
        camera.input = *(int *)argument;
        write_log("input %d\n", camera.input);
        return 0;
    case VIDIOC_S_STD: write_log("standard %#llx\n", *(unsigned long long *)argument); return 0;
    case VIDIOC_QUERY_DV_TIMINGS: return query_timings(argument);
    case VIDIOC_S_DV_TIMINGS: return set_timings(argument);
    case VIDIOC_SUBSCRIBE_EVENT: camera.subscribed = true; return 0;
    case VIDIOC_DQEVENT: return next_event(argument);
    case VIDIOC_S_PARM: return set_rate(&((struct v4l2_streamparm *)argument)->parm.capture);
    case VIDIOC_QUERYCTRL: return query_control(argument);
    case VIDIOC_S_CTRL: return set_control(argument);
    case VIDIOC_REQBUFS: return request_buffers(argument);
    case VIDIOC_QUERYBUF: return query_buffer(argument);
    case VIDIOC_QBUF: return enqueue(argument);
    case VIDIOC_DQBUF: return dequeue(argument);
    case VIDIOC_STREAMON:
        write_log("start %ux%u %.4s at %u\n", camera.format.width, camera.format.height,
                  (const char *)&camera.format.pixelformat, camera.fps);
        set_timer(true);
        return 0;
    case VIDIOC_STREAMOFF: set_timer(false); return 0;
    default: return refuse(ENOTTY);
    }
}

/* What stands before the C library. */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list arguments;                                                                                             \
        va_start(arguments, flags);                                                                                    \
        mode_t mode = va_arg(arguments, mode_t);                                                                       \
        va_end(arguments);                                                                                             \
        return strcmp(path, DEVICE) == 0 ? open_camera() : REAL(name)(path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

int ioctl(int file, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    /* A C library may have the number as an int. */
    return file >= 0 && file == camera.file ? answer((uint32_t)request, argument) : REAL(ioctl)(file, request, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    if (file < 0 || file != camera.file) return REAL(mmap)(address, length, protection, flags, file, offset);
    void *memory = REAL(mmap)(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    camera.memory[offset / OFFSET_STEP] = memory;
    return memory;
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
    return mmap(address, length, protection, flags, file, offset);
}

int close(int file) {
    if (file >= 0 && file == camera.file) camera.file = -1;
    return REAL(close)(file);
}
