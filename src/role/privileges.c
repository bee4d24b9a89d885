/* The kernel's own calls for capabilities: two masks of 64 bits need no library.
 *
 * Becoming another user takes away what root could do, unless PR_SET_KEEPCAPS is set; then the
 * permitted capabilities stay and can be cut down to the two that the rest of the start needs. A
 * program that we run in between gets none of them, for it is not root's and they are not ambient.
 *
 * The bounding set is emptied first, while that is still allowed: without it nothing that is run
 * later can have a capability, whatever its file says.
 *
 * That it has worked is asked of the kernel instead of believed: the ids are read back, and going
 * back to root must fail.
 */
#include "role/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

#define BIT(capability) (1ULL << (capability))

static const char setting[] = "user";

static enum pgw_err fail(const char *what, struct pgw_fault *fault)
{
        pgw_fault_set(fault, setting, "cannot %s: %s", what, strerrordesc_np(errno));
        return PGW_E_SYSTEM;
}

static int set_capabilities(uint64_t mask)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        memset(data, 0, sizeof data);
        for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                data[i].effective = data[i].permitted = (uint32_t)(mask >> (32 * i));
        return (int)syscall(SYS_capset, &header, data);
}

static bool has_capabilities(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        if (syscall(SYS_capget, &header, data) != 0)
                return true;
        for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                if (data[i].effective || data[i].permitted || data[i].inheritable)
                        return true;
        return false;
}

static enum pgw_err empty_bounding_set(struct pgw_fault *fault)
{
        for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
                if (prctl(PR_CAPBSET_DROP, capability) != 0)
                        return fail("empty the capability bounding set", fault);
        return PGW_OK;
}

/* Names and numbers are looked up before anything is given away. */
static enum pgw_err find_user(const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid,
                              struct pgw_fault *fault)
{
        const struct passwd *found = getpwnam(user);

        if (!found) {
                pgw_fault_set(fault, setting, "there is no user '%.40s'", user);
                return PGW_E_CONFIG;
        }
        *ret_uid = found->pw_uid;
        *ret_gid = found->pw_gid;
        if (group[0]) {
                const struct group *named = getgrnam(group);
                if (!named) {
                        pgw_fault_set(fault, "group", "there is no group '%.40s'", group);
                        return PGW_E_CONFIG;
                }
                *ret_gid = named->gr_gid;
        }
        if (*ret_uid == 0 || *ret_gid == 0) {
                pgw_fault_set(fault, setting, "'%.40s' is root; name a user that is not", user);
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

static enum pgw_err become(const char *user, uid_t uid, gid_t gid, struct pgw_fault *fault)
{
        enum pgw_err err = empty_bounding_set(fault);

        if (err)
                return err;
        if (prctl(PR_SET_KEEPCAPS, 1) != 0)
                return fail("keep capabilities for the start", fault);
        if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0)
                return fail("change the group", fault);
        if (setresuid(uid, uid, uid) != 0)
                return fail("change the user", fault);
        if (set_capabilities(BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_DAC_READ_SEARCH)) != 0)
                return fail("cut the capabilities down", fault);
        return PGW_OK;
}

static enum pgw_err look_up(const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid,
                            struct pgw_fault *fault)
{
        if (user[0])
                return find_user(user, group, ret_uid, ret_gid, fault);
        pgw_fault_set(fault, "group", "goes with user, which is not set");
        return PGW_E_CONFIG;
}

enum pgw_err pgw_privileges_check(const char *user, const char *group, struct pgw_fault *fault)
{
        uid_t uid;
        gid_t gid;

        return user[0] || group[0] ? look_up(user, group, &uid, &gid, fault) : PGW_OK;
}

enum pgw_err pgw_privileges_lower(const char *user, const char *group, struct pgw_fault *fault)
{
        uid_t uid;
        gid_t gid;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                return fail("give up new privileges", fault);
        if (!user[0] && !group[0])
                return PGW_OK;
        enum pgw_err err = look_up(user, group, &uid, &gid, fault);
        if (err)
                return err;
        if (geteuid() == 0)
                return become(user, uid, gid, fault);
        if (getuid() == uid && geteuid() == uid && (!group[0] || getegid() == gid))
                return PGW_OK;
        pgw_fault_set(fault, setting,
                      "only root can become '%.40s', and this process has the user id %u", user,
                      (unsigned)geteuid());
        return PGW_E_CONFIG;
}

/* EPERM is the only answer that proves something. */
static bool is_refused(int result)
{
        return result == -1 && errno == EPERM;
}

static bool can_come_back(void)
{
        uid_t real, effective, saved;
        gid_t real_group, effective_group, saved_group;

        if (getresuid(&real, &effective, &saved) != 0 ||
            getresgid(&real_group, &effective_group, &saved_group) != 0)
                return true;
        if (real != effective || real != saved || real_group != effective_group ||
            real_group != saved_group)
                return true;
        return !is_refused(setresuid(0, 0, 0)) || !is_refused(setgroups(0, NULL)) ||
               (real_group != 0 && !is_refused(setresgid(0, 0, 0)));
}

enum pgw_err pgw_privileges_drop(struct pgw_fault *fault)
{
        if (geteuid() == 0)
                return PGW_OK;
        /* A kernel without ambient capabilities has none to clear. */
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (has_capabilities() && set_capabilities(0) != 0)
                return fail("drop the capabilities", fault);
        if (!has_capabilities() && !can_come_back())
                return PGW_OK;
        pgw_fault_set(fault, setting, "privileges are left after they were dropped");
        return PGW_E_SYSTEM;
}
